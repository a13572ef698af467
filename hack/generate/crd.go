package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// finishCRDs adds to the CRDs in dir what no marker can say and returns the plural of each kind.
func finishCRDs(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	plurals := make(map[string]string, len(files))
	for _, file := range files {
		if err := finishCRD(file, plurals); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return plurals, nil
}

// finishCRD rewrites one CRD and notes its plural.
func finishCRD(file string, plurals map[string]string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd map[string]any
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return err
	}
	spec, err := child(crd, "spec")
	if err != nil {
		return err
	}
	names, err := child(spec, "names")
	if err != nil {
		return err
	}
	kind, plural := fmt.Sprint(names["kind"]), fmt.Sprint(names["plural"])
	plurals[kind] = plural

	versions, ok := spec["versions"].([]any)
	if !ok || len(versions) != 1 {
		return fmt.Errorf("want exactly one version")
	}
	version, ok := versions[0].(map[string]any)
	if !ok {
		return fmt.Errorf("version is not an object")
	}
	// The generator writes the key also for kinds without subresources. Clients of the existing API find it on IP alone.
	if subresources, ok := version["subresources"].(map[string]any); ok && len(subresources) == 0 && kind != "IP" {
		delete(version, "subresources")
	}
	if kind == "Subnet" {
		if err := limitSelectors(version); err != nil {
			return err
		}
	}
	if data, err = yaml.Marshal(crd); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// limitSelectors gives the operators of a Subnet's label selectors their values. The type is Kubernetes' own and has no marker.
func limitSelectors(version map[string]any) error {
	for _, field := range []string{"gatewayNodeSelectors", "namespaceSelectors"} {
		operator, err := child(version, "schema", "openAPIV3Schema", "properties", "spec", "properties", field,
			"items", "properties", "matchExpressions", "items", "properties", "operator")
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		operator["enum"] = []any{"In", "NotIn", "Exists", "DoesNotExist"}
	}
	return nil
}

// child walks down objects by their keys.
func child(object map[string]any, keys ...string) (map[string]any, error) {
	for _, key := range keys {
		next, ok := object[key].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("no object at %s", key)
		}
		object = next
	}
	return object, nil
}
