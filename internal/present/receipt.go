package present

// Receipt says, after something landed, where its receipt is and what it is good for.
// Nothing without the address.
func Receipt(address, commit string) string {
	if address == "" {
		return ""
	}
	return Say("\n\n%s says who approved exactly these bytes. With it and the public key of the audit log, %s proves that in any clone.",
		Link("The receipt", address), Code("coderflow verify "+commit+" --receipt FILE --key FILE")).markdown
}
