"""What the API is, in OpenAPI 3.1 and in what is made of that; none of it is imported before it is asked for."""
