"""The machine we run on: its clock, its identifiers, its processes and its folders."""
