"""What is read of brokers and of whom: bounded calls and pages, and addresses that are refused."""
