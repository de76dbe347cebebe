// Package validate holds the manifests for deploying CoderFlow against the types and loaders of Kubernetes, Kustomize and
// Compose. It is a module of its own, so that theirs are no dependencies of CoderFlow.
package validate
