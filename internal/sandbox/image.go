package sandbox

import (
	"io"
	"time"
)

// Image is an image that is on the engine.
type Image struct {
	ID           string // sha256:…
	Architecture string // as Go calls it: amd64, arm64
	Size         int64  // bytes, all layers
	Created      time.Time
	Labels       map[string]string
}

// BuildSpec describes one image completely.
type BuildSpec struct {
	Reference string            // what the image is called afterwards
	Args      map[string]string // of the Dockerfile
	Labels    map[string]string
	Context   io.Reader // a tar archive with the Dockerfile and everything that it copies
}
