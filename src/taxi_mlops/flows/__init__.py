"""The steps of `pipeline` as Prefect flows: their deployments and forms, and the server and workers that run them.

Nothing here computes a result. Import these modules within `prefect_environment.configured_server` or via `run_flow`.
Entry points: `prefect_run.run_flow`, `deployments.deploy_all`, `prefect_trigger.start`, `setup.set_up`.
"""
