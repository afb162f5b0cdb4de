"""The rules of the gateway: pure, without input, output or a clock of their own."""
