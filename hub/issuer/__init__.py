"""An issuer of tokens on this machine, to try OAuth2 client credentials with."""
