"""Prefect's side: the steps of `pipeline` as flows, their deployments and forms, and the server that runs them."""
