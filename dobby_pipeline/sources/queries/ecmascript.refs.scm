; What JavaScript, TypeScript and TSX call and import. A decorator is a call; so is a tag in front
; of a template.
(call_expression function: [(identifier) (member_expression)] @call)
(new_expression constructor: [(identifier) (member_expression)] @call)
(decorator [(identifier) (member_expression)] @call)

; A default import has the name that the importing file gives it.
(import_clause (identifier) @import)
(import_specifier name: [(identifier) @import (string (string_fragment) @import)])
(import_statement
  (import_clause (namespace_import)) source: (string (string_fragment) @import))
(import_statement . source: (string (string_fragment) @import))

; export { x } from "…", export * from "…": the module is imported as a whole.
(export_statement (export_clause) source: (string (string_fragment) @import))
(export_statement (namespace_export) source: (string (string_fragment) @import))
(export_statement . source: (string (string_fragment) @import))

; require("…") and import("…")
(call_expression
  function: (identifier) @_function
  arguments: (arguments . (string (string_fragment) @import) .)
  (#eq? @_function "require"))
(call_expression
  function: (import)
  arguments: (arguments . (string (string_fragment) @import)))
