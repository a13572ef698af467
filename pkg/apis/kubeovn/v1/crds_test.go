package v1_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

var update = flag.Bool("update", false, "write the golden files")

// readObjects returns the objects of a YAML file.
func readObjects(t *testing.T, file string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, parse(t, string(document)))
	}
}

// parse reads an object the way an API server does: whole numbers are int64.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	result := map[string]any{}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestValidObjectsAreAccepted(t *testing.T) {
	server := newCRDServer(t)
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		for i, object := range readObjects(t, file) {
			name := fmt.Sprintf("%s/%d/%v", filepath.Base(file), i, object["kind"])
			seen[fmt.Sprint(object["kind"])] = true
			t.Run(name, func(t *testing.T) {
				stored, err := server.create(t.Context(), object)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := server.update(t.Context(), stored, stored); err != nil {
					t.Errorf("update that changes nothing: %v", err)
				}
				// A client written in Go sends empty strings and nulls, too.
				if _, err := server.create(t.Context(), throughGo(t, object)); err != nil {
					t.Errorf("as a Go client sends it: %v", err)
				}
			})
		}
	}
	for kind := range server.kinds {
		if !seen[kind] {
			t.Errorf("no valid %s in testdata", kind)
		}
	}
}

// throughGo decodes an object into its Go type, refusing unknown fields, and encodes it again.
func throughGo(t *testing.T, object map[string]any) map[string]any {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kubeovnv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	typed, _, err := decoder.Decode(data, nil, nil)
	if err != nil {
		t.Fatalf("decode into Go: %v", err)
	}
	if data, err = json.Marshal(typed); err != nil {
		t.Fatal(err)
	}
	result := map[string]any{}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestKindTable(t *testing.T) {
	server := newCRDServer(t)
	var lines []string
	for kind, k := range server.kinds {
		spec := k.crd.Spec
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %s/%s %v %s %s", kind, spec.Names.Plural, spec.Names.Singular,
			spec.Names.ShortNames, spec.Scope, subresources(spec.Versions[0].Subresources)), " "))
		if spec.Names.ListKind != kind+"List" || spec.Group != "kubeovn.io" || len(spec.Names.Categories) > 0 {
			t.Errorf("%s: list kind %s, group %s, categories %v", kind, spec.Names.ListKind, spec.Group, spec.Names.Categories)
		}
		if version := spec.Versions[0]; version.Name != "v1" || !version.Served || !version.Storage {
			t.Errorf("%s: version %s served %t stored %t", kind, version.Name, version.Served, version.Storage)
		}
	}
	golden(t, "testdata/kinds.golden", lines)
}

// subresources renders the subresources of a CRD.
func subresources(s *apiextensionsv1.CustomResourceSubresources) string {
	switch {
	case s == nil:
		return "none"
	case s.Scale != nil:
		return fmt.Sprintf("status,scale(%s %s %s)", s.Scale.SpecReplicasPath, s.Scale.StatusReplicasPath, *s.Scale.LabelSelectorPath)
	case s.Status != nil:
		return "status"
	}
	return "{}"
}

func TestPrinterColumns(t *testing.T) {
	server := newCRDServer(t)
	var lines []string
	for kind, k := range server.kinds {
		for i, column := range k.crd.Spec.Versions[0].AdditionalPrinterColumns {
			line := fmt.Sprintf("%s %02d %s %s %s", kind, i+1, column.Name, column.Type, column.JSONPath)
			if column.Priority > 0 {
				line += " wide"
			}
			lines = append(lines, line)
			if err := resolves(k.crd.Spec.Versions[0].Schema.OpenAPIV3Schema, column.JSONPath); err != nil {
				t.Errorf("%s: column %s: %v", kind, column.Name, err)
			}
		}
	}
	golden(t, "testdata/columns.golden", lines)
}

// resolves reports a path of a printer column that the schema does not have.
func resolves(schema *apiextensionsv1.JSONSchemaProps, path string) error {
	if strings.HasPrefix(path, ".metadata.") {
		return nil
	}
	for key := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		next, ok := schema.Properties[key]
		if !ok {
			return fmt.Errorf("no field %s in %s", key, path)
		}
		schema = &next
	}
	return nil
}

// golden compares sorted lines with a file, or writes the file with -update.
func golden(t *testing.T, file string, lines []string) {
	t.Helper()
	slices.Sort(lines)
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	server := newCRDServer(t)
	for kind, k := range server.kinds {
		undescribed(t, kind, k.crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	}
}

// undescribed reports the fields below schema that kubectl explain would say nothing about.
func undescribed(t *testing.T, path string, schema *apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field := schema.Properties[name]
		// The API server describes the metadata of an object itself and refuses a description here.
		if len(field.Description) < 12 && (name != "metadata" || strings.Contains(path, ".")) {
			t.Errorf("%s.%s: description %q", path, name, field.Description)
		}
		undescribed(t, path+"."+name, &field)
	}
	if schema.Items != nil {
		undescribed(t, path+"[]", schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		undescribed(t, path+"{}", schema.AdditionalProperties.Schema)
	}
}
