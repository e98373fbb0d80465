"""Record runs outside their folder: the experiment store, MLflow, the Pushgateway."""
