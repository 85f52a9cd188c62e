"""Who speaks at the HTTP door: API keys, tokens, client certificates and signed webhooks, to one principal."""
