"""`python -m reconciler`."""

from reconciler.cli.program import main

if __name__ == "__main__":
    main()
