"""`python -m taxi_mlops.cli` is `taxi`."""

from taxi_mlops.cli.main import main

if __name__ == "__main__":
    main()
