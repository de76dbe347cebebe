package validate

import (
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// cluster is what `kubectl apply -k` would send, by kind and NAMESPACE/NAME.
type cluster map[string]any

// built is the overlay, each object decoded strictly into its own type.
func built(t *testing.T) cluster {
	t.Helper()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../kubernetes/overlays/example")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]func() any{
		"Namespace": func() any { return new(corev1.Namespace) }, "ServiceAccount": func() any { return new(corev1.ServiceAccount) },
		"ConfigMap": func() any { return new(corev1.ConfigMap) }, "Service": func() any { return new(corev1.Service) },
		"Deployment": func() any { return new(appsv1.Deployment) }, "DaemonSet": func() any { return new(appsv1.DaemonSet) },
		"Ingress": func() any { return new(networkingv1.Ingress) }, "NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
		"PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
	}
	all := cluster{}
	for _, object := range objects.Resources() {
		kind, name := object.GetKind(), object.GetNamespace()+"/"+object.GetName()
		text, err := object.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if types[kind] == nil {
			t.Fatalf("%s %s is of a kind that nobody expects", kind, name)
		}
		into := types[kind]()
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Errorf("%s %s: %v", kind, name, err)
		}
		all[kind+" "+name] = into
	}
	return all
}

func get[T any](t *testing.T, all cluster, name string) T {
	t.Helper()
	object, is := all[name].(T)
	if !is {
		t.Fatalf("there is no %s", name)
	}
	return object
}

// pods are the two kinds of pods.
func pods(t *testing.T, all cluster) map[string]corev1.PodSpec {
	t.Helper()
	return map[string]corev1.PodSpec{
		"server": get[*appsv1.Deployment](t, all, "Deployment coderflow/coderflow-server").Spec.Template.Spec,
		"worker": get[*appsv1.DaemonSet](t, all, "DaemonSet coderflow-workers/coderflow-worker").Spec.Template.Spec,
	}
}

func TestPodsHaveTheLeastRights(t *testing.T) {
	t.Parallel()
	// What is more than nothing, and why, stands in the manifests.
	capabilities := map[string]string{"worker/own": "CHOWN", "worker/worker": "CHOWN SETUID SETGID SETPCAP"}
	root := map[string]bool{"worker/own": true, "worker/worker": true, "worker/engine": true}
	for name, pod := range pods(t, built(t)) {
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
			t.Errorf("%s: a token of the cluster, or its variables, are in it", name)
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC || *pod.TerminationGracePeriodSeconds < 30 || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v", name, pod.SecurityContext)
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			name, s := name+"/"+c.Name, c.SecurityContext
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s has no bounds", name)
			}
			if name == "worker/engine" {
				continue
			}
			added := []string{}
			for _, capability := range s.Capabilities.Add {
				added = append(added, string(capability))
			}
			if s.Privileged != nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 ||
				s.Capabilities.Drop[0] != "ALL" || strings.Join(added, " ") != capabilities[name] {
				t.Errorf("%s: %+v", name, s)
			}
			if !root[name] && !nonRoot(pod.SecurityContext, s) {
				t.Errorf("%s may be root", name)
			}
		}
	}
}

func nonRoot(pod *corev1.PodSecurityContext, c *corev1.SecurityContext) bool {
	if c.RunAsNonRoot != nil {
		return *c.RunAsNonRoot && c.RunAsUser != nil && *c.RunAsUser != 0
	}
	return c.RunAsUser == nil && pod.RunAsNonRoot != nil && *pod.RunAsNonRoot && pod.RunAsUser != nil && *pod.RunAsUser != 0
}

// Containers get inputs and secrets from where worker and engine both have them, at one path; and nobody has a socket of the node.
func TestTheWorkersEngineIsItsOwn(t *testing.T) {
	t.Parallel()
	pod := pods(t, built(t))["worker"]
	mounts := map[string]map[string]string{}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		mounts[c.Name] = map[string]string{}
		for _, m := range c.VolumeMounts {
			mounts[c.Name][m.Name] = m.MountPath
		}
	}
	for _, volume := range []string{"data", "memory", "socket"} {
		if at := mounts["worker"][volume]; at == "" || at != mounts["engine"][volume] {
			t.Errorf("%s is at %q in the worker, at %q in the engine", volume, at, mounts["engine"][volume])
		}
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil && !strings.HasPrefix(v.HostPath.Path, "/var/lib/coderflow") {
			t.Errorf("the node's %s is in the pod", v.HostPath.Path)
		}
		if v.Name == "memory" && v.EmptyDir.Medium != corev1.StorageMediumMemory {
			t.Error("secrets of tasks lie on a disk")
		}
	}
	for _, c := range pod.InitContainers {
		if c.Name == "engine" && (c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways || c.Args[0] != "dockerd" || strings.Contains(strings.Join(c.Args, " "), "tcp:")) {
			t.Errorf("the engine is %+v", c)
		}
	}
}

// Everything in both namespaces is denied that no policy names, and policies and budgets select what there is.
func TestPoliciesSelectWhatThereIs(t *testing.T) {
	t.Parallel()
	all := built(t)
	labels := map[string]map[string]string{
		"coderflow":         get[*appsv1.Deployment](t, all, "Deployment coderflow/coderflow-server").Spec.Template.Labels,
		"coderflow-workers": get[*appsv1.DaemonSet](t, all, "DaemonSet coderflow-workers/coderflow-worker").Spec.Template.Labels,
	}
	matches := func(namespace string, selector map[string]string) bool {
		for key, value := range selector {
			if labels[namespace][key] != value {
				return false
			}
		}
		return len(selector) > 0
	}
	for namespace, name := range map[string]string{"coderflow": "server", "coderflow-workers": "worker"} {
		none := get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy "+namespace+"/default-deny").Spec
		if len(none.PodSelector.MatchLabels) != 0 || len(none.Ingress) != 0 || len(none.Egress) != 0 || len(none.PolicyTypes) != 2 {
			t.Errorf("%s: default-deny is %+v", namespace, none)
		}
		some := get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy "+namespace+"/"+name).Spec
		if !matches(namespace, some.PodSelector.MatchLabels) {
			t.Errorf("%s: the policy selects %v, pods have %v", namespace, some.PodSelector, labels[namespace])
		}
		for _, rule := range some.Egress {
			if len(rule.To) == 0 || len(rule.Ports) == 0 {
				t.Errorf("%s: out to anywhere: %+v", namespace, rule)
			}
		}
		if to := some.Egress[1].To; len(to) != 1 || to[0].IPBlock == nil || some.Egress[1].Ports[0].Port.IntValue() != 5432 {
			t.Errorf("%s: the overlay's database is not where the patch looks: %+v", namespace, some.Egress[1])
		}
	}
	service := get[*corev1.Service](t, all, "Service coderflow/coderflow-server").Spec
	budget := get[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget coderflow/coderflow-server").Spec
	if !matches("coderflow", service.Selector) || !matches("coderflow", budget.Selector.MatchLabels) {
		t.Error("service or budget select nothing")
	}
	if replicas := *get[*appsv1.Deployment](t, all, "Deployment coderflow/coderflow-server").Spec.Replicas; int(replicas) <= budget.MinAvailable.IntValue() {
		t.Errorf("with %d replicas no node can ever be drained", replicas)
	}
}

// What pods refer to is there, or is a secret that docs/deploy.md tells how to make.
func TestWhatPodsReferToExists(t *testing.T) {
	t.Parallel()
	all := built(t)
	secrets := map[string]bool{"coderflow-secrets": true, "coderflow-keys": true, "coderflow-database": true, "coderflow-registry": true}
	for name, pod := range pods(t, all) {
		namespace := map[string]string{"server": "coderflow", "worker": "coderflow-workers"}[name]
		get[*corev1.ServiceAccount](t, all, "ServiceAccount "+namespace+"/"+pod.ServiceAccountName)
		volumes := map[string]bool{}
		for _, v := range pod.Volumes {
			volumes[v.Name] = true
			if v.ConfigMap != nil {
				data := get[*corev1.ConfigMap](t, all, "ConfigMap "+namespace+"/"+v.ConfigMap.Name).Data
				if data["coderflow.yaml"] == "" || data["environments.yaml"] == "" {
					t.Errorf("%s: the configuration has %v", name, data)
				}
				if name == "worker" {
					imagesAreFetched(t, data)
				}
			}
			if v.Secret != nil && (!secrets[v.Secret.SecretName] || *v.Secret.DefaultMode != 0o440) {
				t.Errorf("%s: secret %+v", name, v.Secret)
			}
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			if !strings.Contains(c.Image, "/coderflow:") && c.Image != "docker:28-dind" {
				t.Errorf("%s runs the image %s", c.Name, c.Image)
			}
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("%s mounts %s, which is no volume", c.Name, m.Name)
				}
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && !secrets[e.ValueFrom.SecretKeyRef.Name] {
					t.Errorf("%s: %s is of the secret %s", c.Name, e.Name, e.ValueFrom.SecretKeyRef.Name)
				}
			}
		}
	}
}

// imagesAreFetched: an engine in a pod has none but those in the list, and CoderFlow fetches none.
func imagesAreFetched(t *testing.T, data map[string]string) {
	t.Helper()
	var wanted []string
	for _, text := range []string{data["coderflow.yaml"], data["environments.yaml"]} {
		for _, found := range regexp.MustCompile(`\bimage: ([^\s,}]+)`).FindAllStringSubmatch(text, -1) {
			wanted = append(wanted, found[1])
		}
	}
	for _, image := range wanted {
		if !strings.Contains(data["images"], "\n"+image+"\n") {
			t.Errorf("nobody fetches %s", image)
		}
	}
	if len(wanted) != 2 {
		t.Errorf("%v are named", wanted)
	}
}
