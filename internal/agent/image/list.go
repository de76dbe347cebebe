package image

import (
	"context"
	"errors"
	"time"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// State says whether an image is what this version of CoderFlow would build.
type State string

// The states.
const (
	Missing  State = "missing"
	Current  State = "current"
	Outdated State = "outdated" // another version, recipe or base
)

// Entry is the image of one preset as it is on the engine.
type Entry struct {
	Preset    string    `json:"preset"`
	Reference string    `json:"reference"`
	Wanted    string    `json:"wanted"` // the version that would be built
	State     State     `json:"state"`
	Version   string    `json:"version,omitempty"`
	ID        string    `json:"id,omitempty"`
	Size      int64     `json:"size,omitempty"` // bytes, with the base
	Created   time.Time `json:"created,omitzero"`
	Recipe    string    `json:"recipe,omitempty"`
	Base      string    `json:"base,omitempty"` // id
}

// List looks at the images of all presets. Without the base image none is current.
func (b *Builder) List(ctx context.Context, base string) ([]Entry, error) {
	under, err := b.base(ctx, base)
	if err != nil && !errors.Is(err, sandbox.ErrImageMissing) {
		return nil, err
	}
	var entries []Entry
	for _, name := range Names() {
		preset, err := agent.Lookup(name)
		if err != nil {
			return nil, err
		}
		entry, err := b.entry(ctx, preset, under)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func (b *Builder) entry(ctx context.Context, preset agent.Preset, base baseImage) (Entry, error) {
	entry := Entry{Preset: preset.Name, Reference: preset.Image, Wanted: preset.Version, State: Missing}
	image, err := b.Engine.Image(ctx, preset.Image)
	if errors.Is(err, sandbox.ErrImageMissing) {
		return entry, nil
	}
	if err != nil {
		return entry, err
	}
	entry.State = Outdated
	if plan, err := newPlan(preset, base); err == nil && image.Labels[LabelRecipe] == plan.digest {
		entry.State = Current
	}
	entry.Version, entry.ID, entry.Size, entry.Created = image.Labels[LabelVersion], image.ID, image.Size, image.Created
	entry.Recipe, entry.Base = image.Labels[LabelRecipe], image.Labels[LabelBase]
	return entry, nil
}
