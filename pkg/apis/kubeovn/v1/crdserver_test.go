package v1_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"sigs.k8s.io/yaml"
)

// crdDir is where hack/generate writes the CRDs.
const crdDir = "../../../../dist/images/crds"

// crdServer treats objects of the generated CRDs as an API server does: prune, default, validate, run the CEL rules.
type crdServer struct {
	kinds map[string]*crdKind
}

// crdKind is one CRD, compiled.
type crdKind struct {
	crd        *apiextensionsv1.CustomResourceDefinition
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// newCRDServer returns the server of all generated CRDs; an API server has to accept each, with the costs of its rules.
func newCRDServer(t *testing.T) *crdServer {
	t.Helper()
	server, err := loadCRDs()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// loadCRDs loads the CRDs once for all tests; compiling their rules takes a while.
var loadCRDs = sync.OnceValues(func() (*crdServer, error) {
	files, err := filepath.Glob(filepath.Join(crdDir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no CRDs in %s: %w", crdDir, err)
	}
	server := &crdServer{kinds: map[string]*crdKind{}}
	for _, file := range files {
		kind, loadErr := loadCRD(context.Background(), file)
		if loadErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", filepath.Base(file), loadErr))
			continue
		}
		server.kinds[kind.crd.Spec.Names.Kind] = kind
	}
	return server, err
})

// loadCRD reads, validates and compiles the CRD in a file.
func loadCRD(ctx context.Context, file string) (*crdKind, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(data, crd); err != nil {
		return nil, err
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	crd.Status.StoredVersions = []string{"v1"}
	internal := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, internal, nil); err != nil {
		return nil, err
	}
	if errs := crdvalidation.ValidateCustomResourceDefinition(ctx, internal); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	props := &apiextensions.JSONSchemaProps{}
	err = apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, props, nil)
	if err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		return nil, err
	}
	schema, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, err
	}
	return &crdKind{
		crd:        crd,
		structural: structural,
		schema:     schema,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// create returns what the API server stores for a new object, or why it refuses.
func (s *crdServer) create(ctx context.Context, object map[string]any) (map[string]any, error) {
	kind, stored, err := s.decode(object)
	if err != nil {
		return nil, err
	}
	if kind.hasStatus() {
		delete(stored, "status")
	}
	errs := validation.ValidateCustomResource(nil, stored, kind.schema)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, kind.structural, stored)...)
	if len(errs) == 0 {
		errs, _ = kind.rules.Validate(ctx, nil, kind.structural, stored, nil, celconfig.RuntimeCELCostBudget)
	}
	return stored, aggregate(errs)
}

// update returns what the API server stores when object replaces old, or why it refuses.
func (s *crdServer) update(ctx context.Context, object, old map[string]any) (map[string]any, error) {
	kind, stored, err := s.decode(object)
	if err != nil {
		return nil, err
	}
	if kind.hasStatus() {
		delete(stored, "status")
		if status, ok := old["status"]; ok {
			stored["status"] = runtime.DeepCopyJSONValue(status)
		}
	}
	return stored, kind.compare(ctx, stored, old)
}

// updateStatus returns what the API server stores when a controller writes the status of object over old, or why it refuses.
func (s *crdServer) updateStatus(ctx context.Context, object, old map[string]any) (map[string]any, error) {
	kind, stored, err := s.decode(object)
	if err != nil {
		return nil, err
	}
	if !kind.hasStatus() {
		return nil, fmt.Errorf("%s has no status subresource", kind.crd.Name)
	}
	stored["spec"] = runtime.DeepCopyJSONValue(old["spec"])
	return stored, kind.compare(ctx, stored, old)
}

// hasStatus reports whether the status is written through its own subresource only.
func (k *crdKind) hasStatus() bool {
	s := k.crd.Spec.Versions[0].Subresources
	return s != nil && s.Status != nil
}

// compare validates stored as the successor of old.
func (k *crdKind) compare(ctx context.Context, stored, old map[string]any) error {
	correlated := common.NewCorrelatedObject(stored, old, &model.Structural{Structural: k.structural})
	errs := validation.ValidateCustomResourceUpdate(nil, stored, old, k.schema, validation.WithRatcheting(correlated))
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, stored)...)
	if len(errs) == 0 {
		errs, _ = k.rules.Validate(ctx, nil, k.structural, stored, old, celconfig.RuntimeCELCostBudget, cel.WithRatcheting(correlated))
	}
	return aggregate(errs)
}

// decode finds the kind of an object and returns a copy with unknown fields refused, nulls dropped and defaults filled in.
func (s *crdServer) decode(object map[string]any) (*crdKind, map[string]any, error) {
	name, _ := object["kind"].(string)
	kind := s.kinds[name]
	if kind == nil {
		return nil, nil, fmt.Errorf("no CRD for kind %q", name)
	}
	stored := runtime.DeepCopyJSON(object)
	unknown := pruning.PruneWithOptions(stored, kind.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return nil, nil, fmt.Errorf("unknown fields %v", unknown)
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(stored, kind.structural)
	defaulting.Default(stored, kind.structural)
	return kind, stored, nil
}

// aggregate is nil without errors.
func aggregate(errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return errors.Join(errs.ToAggregate().Errors()...)
}
