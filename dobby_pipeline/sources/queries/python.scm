; What is a symbol in Python.
(class_definition name: (identifier) @name body: (_) @body) @class
(function_definition name: (identifier) @name body: (_) @body) @function
(assignment left: (identifier) @name right: (lambda body: (_) @body)) @function

(decorator) @decoration
(expression_statement . (string) @docstring .)
(comment) @comment
