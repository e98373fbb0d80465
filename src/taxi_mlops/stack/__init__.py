"""The services as plain processes of this machine, under a supervisor: `taxi stack`."""
