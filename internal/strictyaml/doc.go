// Package strictyaml decodes the YAML that administrators write, configuration
// and manifests, and tells them everything that is wrong with it at once.
//
// It is stricter than YAML on purpose, because a key that is silently ignored
// in a security policy is worse than one that is refused: unknown keys,
// duplicate keys, missing values, values of another type, anchors, aliases,
// merge keys and tags are each a [Problem] with file, line, column and key path.
// Size and depth are bounded before anything recursive looks at the text.
//
// Struct fields are matched by their `yaml:"key"` tag; `yaml:"key,required"`
// makes a missing key a problem. Supported field types are structs, slices,
// maps with string keys, pointers, strings, booleans, integers, floats and
// everything that implements encoding.TextUnmarshaler. A field of type any takes
// whatever there is and is left empty.
package strictyaml
