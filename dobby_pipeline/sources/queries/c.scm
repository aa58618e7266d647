; What is a symbol in C, and in C++ as well: definitions with a body. Prototypes, plain typedefs
; and #define are no records.
(function_definition declarator: (_) @declarator body: (_) @body) @function
(struct_specifier name: (_) @name body: (_) @body) @struct
(union_specifier name: (_) @name body: (_) @body) @union
(enum_specifier name: (_) @name body: (_) @body) @enum

; typedef struct { … } name;
(type_definition
  type: (struct_specifier !name body: (_) @body) declarator: (type_identifier) @name) @struct
(type_definition
  type: (union_specifier !name body: (_) @body) declarator: (type_identifier) @name) @union
(type_definition
  type: (enum_specifier !name body: (_) @body) declarator: (type_identifier) @name) @enum

(type_definition "typedef" @keyword)
(comment) @comment
