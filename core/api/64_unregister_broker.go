package api

// UnregisterBroker serves API key 64, v0 (KIP-631): a broker that is gone for good is forgotten.
func UnregisterBroker(c *Context) { Controls(c) }
