"""`python -m trainer`."""

from trainer.entry import main

if __name__ == "__main__":
    raise SystemExit(main())
