"""``python -m tiergraph`` is the command line."""

from tiergraph.cli import app

if __name__ == "__main__":
    app()
