"""Fixtures of the plugin kit, for every test here: backends' tests use them as an author's do."""

pytest_plugins = ["grid.testing.fixtures"]
