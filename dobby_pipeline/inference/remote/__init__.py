"""Sessions on servers: requests in OpenAI's protocol to whoever speaks it."""
