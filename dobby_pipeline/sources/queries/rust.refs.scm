; What Rust code calls and imports. A macro's invocation is a call; so is a struct's literal.
(call_expression function: [(identifier) (scoped_identifier) (field_expression)] @call)
(call_expression
  function: (generic_function
    function: [(identifier) (scoped_identifier) (field_expression)] @call))
(macro_invocation macro: _ @call)
(struct_expression name: [(type_identifier) @call (scoped_type_identifier) @call])
(struct_expression
  name: (generic_type_with_turbofish
    type: [(type_identifier) @call (scoped_identifier) @call (scoped_type_identifier) @call]))

(use_declaration argument: [(identifier) @import (scoped_identifier) @import])
(use_list) @import
(use_as_clause path: [(identifier) @import (scoped_identifier) @import])
(use_wildcard [(identifier) @import (scoped_identifier) @import])
(extern_crate_declaration name: (identifier) @import)
