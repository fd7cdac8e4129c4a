"""FINRA OTC transparency: the weekly files from capture to measures, and reading them back."""
