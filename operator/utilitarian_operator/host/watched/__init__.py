"""What is listed beside the watches, which namespaces are chosen by their labels, and what no operator works on."""
