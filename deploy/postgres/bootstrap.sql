-- Roles and databases apart for Prefect, MLflow and the experiments, each owning its own only. Run by psql as the
-- administrator, as often as one likes; passwords come from the environment and get into no log.
\set ON_ERROR_STOP on
\set QUIET on
\getenv prefect_password PREFECT_DATABASE_PASSWORD
\getenv mlflow_password MLFLOW_DATABASE_PASSWORD
\getenv experiments_password EXPERIMENTS_DATABASE_PASSWORD
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

SELECT format('CREATE ROLE %I LOGIN', role)
FROM unnest(ARRAY['prefect', 'mlflow', 'experiments']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
\gexec

ALTER ROLE prefect PASSWORD :'prefect_password';
ALTER ROLE mlflow PASSWORD :'mlflow_password';
ALTER ROLE experiments PASSWORD :'experiments_password';

SELECT format('CREATE DATABASE %I OWNER %I', database, role)
FROM (VALUES ('prefect', 'prefect'), ('mlflow', 'mlflow'), ('mlflow_auth', 'mlflow'), ('experiments', 'experiments'))
    AS owned (database, role)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = database)
\gexec

REVOKE ALL ON DATABASE prefect, mlflow, mlflow_auth, experiments, postgres, template1 FROM PUBLIC;
