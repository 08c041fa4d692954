"""`python -m utilitarian_operator`."""

from utilitarian_operator.cli import main

main()
