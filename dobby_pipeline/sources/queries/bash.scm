; What is a symbol in Bash: functions, in either form.
(function_definition name: (_) @name body: (_) @body) @function

(comment) @comment
