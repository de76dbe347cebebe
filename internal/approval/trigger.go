package approval

// Trigger is what makes a deployment happen.
type Trigger string

// Triggers of a deployment.
const (
	ByReview   Trigger = "review"     // a directive in the approving review
	OnApproval Trigger = "onApproval" // the environment deploys whatever is approved
	OnMerge    Trigger = "onMerge"    // the environment deploys whatever is merged
	ByRequest  Trigger = "request"    // a person or service asked for it
)

// What the commit of a deployment is to the approval.
const (
	CoversLanded = "landed" // the approval made it
	CoversMerge  = "merge"  // the forge reports it as the merge of the one that the approval made
)

// By is the trigger of an arming; records of earlier versions know one only.
func (a Arming) By() Trigger {
	if a.Trigger == "" {
		return ByReview
	}
	return a.Trigger
}
