package controllertest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// Golden compares text with testdata/<name>.golden of the package under test; with -update it writes the file.
func Golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

// Rows prints wanted rows for golden files: one row per line with its fields that are not empty, sorted.
func Rows(rows []ovs.Row) string {
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		lines = append(lines, reflect.TypeOf(row).Name()+structText(reflect.ValueOf(row)))
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n")
}

func structText(v reflect.Value) string {
	var text strings.Builder
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsZero() || field.Kind() == reflect.Map && field.Len() == 0 || field.Kind() == reflect.Slice && field.Len() == 0 {
			continue
		}
		fmt.Fprintf(&text, " %s=%s", v.Type().Field(i).Name, valueText(field))
	}
	return text.String()
}

func valueText(v reflect.Value) string {
	if stringer, ok := v.Interface().(fmt.Stringer); ok {
		return stringer.String()
	}
	switch v.Kind() {
	case reflect.String:
		if text := v.String(); strings.ContainsAny(text, ` ",=[]{}`) {
			return fmt.Sprintf("%q", text)
		}
		return v.String()
	case reflect.Slice:
		parts := make([]string, 0, v.Len())
		for i := range v.Len() {
			parts = append(parts, valueText(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Map:
		parts := make([]string, 0, v.Len())
		for _, key := range v.MapKeys() {
			parts = append(parts, fmt.Sprintf("%v=%s", key, valueText(v.MapIndex(key))))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.Struct:
		return "(" + strings.TrimPrefix(structText(v), " ") + ")"
	}
	return fmt.Sprint(v.Interface())
}
