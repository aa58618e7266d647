; What is a symbol in Rust. Functions without a body (in traits, extern blocks) are no records,
; nor are associated types.
(function_item name: (_) @name body: (_) @body) @function
(struct_item name: (_) @name body: (_)? @body) @struct
(enum_item name: (_) @name body: (_) @body) @enum
(union_item name: (_) @name body: (_) @body) @union
(trait_item name: (_) @name body: (_) @body) @trait
(source_file (type_item name: (_) @name) @type)
(mod_item body: (declaration_list (type_item name: (_) @name) @type))
(macro_definition name: (_) @name . (macro_rule) @body) @macro

(mod_item name: (_) @name body: (_)) @scope
(impl_item trait: (_) @implements type: (_) @name) @impl
(impl_item !trait type: (generic_type type: (_) @name)) @impl
(impl_item !trait type: (_) @name) @impl

(attribute_item) @decoration
(line_comment) @comment
(block_comment) @comment
