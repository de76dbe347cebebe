package emulator

import (
	"fmt"
	"net/http"
	"strings"
)

// azureError is an answer that is not 2xx; its message is the service's wording.
type azureError struct {
	status  int
	key     string // typeKey
	message string
	unknown bool
}

func (e *azureError) Error() string { return fmt.Sprintf("%d %s", e.status, e.message) }

func (e *azureError) json() obj {
	message := e.message
	if e.unknown {
		message = "The local forge does not know: " + message
	}
	key := e.key
	if key == "" {
		key = "VssServiceException"
	}
	return obj{"$id": "1", "innerException": nil, "message": message, "typeName": typeNameOf(key), "typeKey": key, "errorCode": 0, "eventId": 3000}
}

// typeNameOf is the .NET name of an exception, as far as clients look at it.
func typeNameOf(key string) string {
	space := "Microsoft.VisualStudio.Services.Common"
	switch {
	case strings.HasPrefix(key, "Git"):
		space = "Microsoft.TeamFoundation.Git.Server"
	case strings.HasPrefix(key, "WorkItem"):
		space = "Microsoft.TeamFoundation.WorkItemTracking.Server"
	case strings.Contains(key, "Patch"):
		space = "Microsoft.VisualStudio.Services.WebApi.Patch"
	case strings.HasPrefix(key, "Project"):
		space = "Microsoft.TeamFoundation.Core.WebApi"
	}
	return space + "." + key + ", " + space
}

func azureFailure(status int, key, format string, args ...any) error {
	return &azureError{status: status, key: key, message: fmt.Sprintf(format, args...)}
}

// azureUnsupported is something that the service knows and the emulator does not.
func azureUnsupported(format string, args ...any) error {
	return &azureError{status: http.StatusNotImplemented, key: "NotImplementedException", message: fmt.Sprintf(format, args...), unknown: true}
}
