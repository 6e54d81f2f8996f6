"""The content of Harbor Support: articles and inbox."""
