package docker

import (
	"context"
	"errors"
	"fmt"
	"net"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// engineError gives an error of the engine the type that callers branch on. ctx is the call's own; an error because
// the caller's context ended stays what it is.
func engineError(caller context.Context, doing string, err error) error {
	var network net.Error
	switch {
	case err == nil:
		return nil
	case caller.Err() != nil:
		return fmt.Errorf("%s: %w", doing, context.Cause(caller))
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", doing, sandbox.ErrNotFound, err)
	case client.IsErrConnectionFailed(err), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network),
		cerrdefs.IsUnavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, sandbox.ErrEngineUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
