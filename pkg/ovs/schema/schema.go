// Package schema holds the oldest schemas that are supported; `make generate` makes the table models from them.
package schema

import "embed"

// Files are the schemas by name of their database server's file, as `ovn-nb.ovsschema`.
//
//go:embed *.ovsschema
var Files embed.FS
