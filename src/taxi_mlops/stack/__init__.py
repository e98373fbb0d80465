"""Run the services as plain processes of this machine, under a supervisor: `taxi stack`.

Containers run the same programs with the same configuration from `deploy/`, without this package.
Entry points: `native.Stack`; `services.SERVICES` lists the services.
"""
