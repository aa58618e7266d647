; What is a symbol in Scala. An object is a class; a definition without a body is no record. A
; package with braces, a given and an extension are part of the names inside.
(class_definition name: (_) @name body: (_)? @body) @class
(object_definition name: (_) @name body: (_)? @body) @class
(trait_definition name: (_) @name body: (_)? @body) @trait
(enum_definition name: (_) @name body: (_) @body) @enum
(function_definition name: (_) @name body: (_) @body) @function
(val_definition pattern: (identifier) @name value: (lambda_expression) @body) @function
(type_definition name: (_) @name) @type

(given_definition name: (_) @name) @impl
(package_clause name: (_) @name body: (_)) @scope

(comment) @comment
(block_comment) @comment
