package present

// Chain says, after something landed, where its way from the request on is told.
// Nothing without the address.
func Chain(address string) string {
	if address == "" {
		return ""
	}
	return Say("\n\n%s tells who asked, what made the change, who approved it, and where it was pushed and deployed.",
		Link("The approval chain", address)).markdown
}
