"""What is generated from the models: the CRD, its OpenAPI schema, and the reference page of the resource."""
