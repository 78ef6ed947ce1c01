"""`python -m validkit`."""

from validkit.cli import main

if __name__ == "__main__":
    main()
