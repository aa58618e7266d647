"""Names that a language itself gives to functions, and to methods of the types that it has.

`d.items()` is most often a dict's, so such a name alone does not tell a record of the repo. Not
here: what follows from that (meanings.py).
"""

import builtins
import inspect
import io
from functools import cache

_PYTHON_TYPES = (bool, bytes, dict, float, frozenset, int, io.StringIO, list, set, str, tuple)

_NAMES = {
    "javascript": (
        # Array, String, RegExp
        "at charAt codePointAt concat copyWithin endsWith entries every exec fill filter find"
        " findIndex findLast flat flatMap forEach includes indexOf join keys lastIndexOf"
        " localeCompare map match matchAll normalize padEnd padStart pop push reduce"
        " reduceRight repeat replace replaceAll reverse search shift slice some sort splice"
        " split startsWith substring test toLowerCase toUpperCase toString trim trimEnd"
        " trimStart unshift values valueOf"
        # Map, Set, Promise, Function, iterators, the statics of Object and others
        " add apply all allSettled any assign bind call catch clear defineProperty delete"
        " finally freeze from fromEntries get has hasOwnProperty is isArray next of race reject"
        " resolve set then"
        # JSON, console, timers, numbers
        " abs ceil clearTimeout debug error floor info log max min now parse pow random round"
        " setInterval setTimeout stringify toFixed toISOString getTime warn"
        # what every element and emitter of events has
        " addEventListener append appendChild closest contains dispatchEvent getAttribute on"
        " once off preventDefault querySelector querySelectorAll remove removeEventListener"
        " setAttribute"
    ),
    "java": (
        # Object, String, StringBuilder
        "append charAt clone compareTo concat contains endsWith equals equalsIgnoreCase format"
        " getClass hashCode indexOf isBlank isEmpty join lastIndexOf length matches notify"
        " notifyAll replace replaceAll reverse split startsWith strip substring toCharArray"
        " toLowerCase toString toUpperCase trim valueOf wait"
        # collections, streams, Optional
        " add addAll addFirst addLast anyMatch allMatch asList clear collect computeIfAbsent"
        " containsKey containsValue count entrySet filter findFirst flatMap forEach get getKey"
        " getOrDefault getValue hasNext ifPresent iterator keySet limit map max min next of"
        " orElse orElseGet orElseThrow peek poll pop push put putAll putIfAbsent reduce remove"
        " removeIf set size sort sorted stream sum toArray toList values"
        # closeables, threads, exceptions, numbers
        " accept apply call close compare flush getCause getMessage intValue longValue parseInt"
        " print printStackTrace printf println read readLine write"
        # Kotlin and Scala, which share these
        " any all dropWhile find first firstOrNull fold foldLeft foldRight getOrElse groupBy"
        " isDefined joinToString last listOf mapOf mkString mutableListOf nonEmpty reversed"
        " setOf take takeWhile toInt toMap toSet"
    ),
    "csharp": (
        "Add AddRange Aggregate All Any Append AppendLine Cast Clear Close CompareTo Concat"
        " Contains ContainsKey Copy CopyTo Count Dequeue Dispose Distinct Enqueue EndsWith"
        " Equals Except First FirstOrDefault Flush ForEach Format GetEnumerator GetHashCode"
        " GetType GroupBy IndexOf Insert Invoke IsNullOrEmpty IsNullOrWhiteSpace Join Last"
        " LastOrDefault Max Min MoveNext OrderBy OrderByDescending Parse Peek Pop Push Read"
        " ReadLine Remove RemoveAt Replace Reverse Select SelectMany Single SingleOrDefault"
        " Skip Sort Split StartsWith Substring Sum Take ToArray ToDictionary ToList ToLower"
        " ToString ToUpper Trim TryGetValue TryParse Union Where Write WriteLine Zip nameof"
    ),
    "rust": (
        "all and_then any as_bytes as_mut as_ref as_slice as_str borrow borrow_mut chain chars"
        " clear clone cloned cmp collect concat contains contains_key copied count default"
        " deref drain drop ends_with entry enumerate eq err expect extend filter filter_map"
        " find find_map first flat_map flatten flush fmt fold for_each from get get_mut hash"
        " insert into into_iter is_empty is_err is_none is_ok is_some iter iter_mut join keys"
        " last len lines lock map map_err max min ne new next ok ok_or or_else or_insert parse"
        " partial_cmp peek pop position product push push_str read recv remove replace resize"
        " retain rev send skip sort sort_by spawn split starts_with step_by sum swap take then"
        " to_owned to_string to_vec trim truncate try_from try_into unwrap unwrap_or"
        " unwrap_or_default unwrap_or_else values with_capacity write zip Err None Ok Some"
    ),
    "go": (
        "append cap clear complex copy delete imag len make max min new panic print println"
        " real recover"
    ),
    "c": (
        "begin c_str cbegin cend emplace emplace_back end make_pair make_shared make_unique"
        " pop_back pop_front push_back push_front rbegin rend substr"
    ),
    "ruby": (
        "all? any? call class clone collect compact concat count delete detect dup each"
        " each_key each_pair each_value each_with_index each_with_object empty? fetch filter"
        " find first flatten format freeze frozen? gsub gsub! has_key? include? index inject"
        " inspect instance_of? is_a? join key? keys kind_of? last length lambda loop map map!"
        " match match? max merge merge! min new nil? none? open p pop print printf proc push"
        " puts raise read reduce reject replace require require_relative respond_to? reverse"
        " scan select send shift size slice sort sort_by split start_with? strip sub sum tap"
        " then times to_a to_h to_i to_proc to_s to_sym uniq unshift update upcase values write"
        " zip"
    ),
    "php": (
        "array_filter array_key_exists array_keys array_map array_merge array_pop array_push"
        " array_shift array_slice array_values copy count current die empty end explode"
        " filter_var func_get_args get_class implode in_array ini_set is_array is_callable"
        " is_null is_numeric is_object is_string isset join json_decode json_encode max min"
        " next preg_match preg_replace print printf sort sprintf str_replace strlen strpos"
        " strtolower strtoupper substr trim unlink unset usort var_dump"
    ),
    "swift": (
        "abs allSatisfy append compactMap contains count dropFirst dropLast enumerated"
        " fatalError filter first firstIndex flatMap forEach hasPrefix hasSuffix hash index"
        " insert isEmpty joined last lowercased map max min print reduce remove removeAll"
        " removeFirst removeLast replacingOccurrences reversed sort sorted split swap"
        " trimmingCharacters uppercased zip"
    ),
    "bash": (
        "alias bg break builtin cd command continue declare dirs echo eval exec exit export"
        " false fg getopts hash jobs kill let local mapfile popd printf pushd pwd read"
        " readarray readonly return set shift shopt source test time trap true type typeset"
        " ulimit umask unalias unset wait"
    ),
}


@cache
def builtin_names(family: str) -> frozenset[str]:
    """The names that languages of a family share with what they bring; see meanings.py."""
    if family == "python":
        return frozenset(
            name
            for owner in (builtins, *_PYTHON_TYPES)
            for name, value in inspect.getmembers(owner, callable)
            if isinstance(value, type) or inspect.isroutine(value)
        )
    return frozenset(_NAMES.get(family, "").split())
