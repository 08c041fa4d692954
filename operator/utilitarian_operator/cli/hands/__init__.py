"""The hands of the person on call: each acts through the resource or its annotations, or shows what is."""
