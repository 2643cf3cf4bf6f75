"""Words of DuckDB's SQL that decide what a step is, read off `duckdb_functions()`; a test compares them."""

from __future__ import annotations

AGGREGATES = frozenset(
    """any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
    arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and
    bool_or combine_aggr corr count count_if count_star countif covar_pop covar_samp decimal_average entropy favg first
    fsum group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg lttb mad max max_by
    mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness stddev stddev_pop
    stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance variant_group_object""".split()
)

VOLATILE = frozenset(
    """current_connection_id current_query current_query_id current_setting current_transaction_id currval
    gen_random_uuid get_current_time get_current_timestamp nextval now random setseed setval sleep_ms stats today
    transaction_timestamp txid_current uuid uuidv4 uuidv7 getvariable""".split()
)
"""Functions whose value depends on when or where they are called. `getvariable` reads what only Penstock may bind."""

CLOCKS = frozenset(("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"))
"""The same, written without parentheses."""

OUTSIDE = frozenset(
    """glob read_blob read_csv read_csv_auto read_duckdb read_json read_json_auto read_json_objects read_ndjson
    read_ndjson_auto read_ndjson_objects read_parquet parquet_scan read_text sniff_csv query query_table
    duckdb_variables duckdb_settings duckdb_secrets pragma_table_info which_secret""".split()
)
"""Functions that read something other than the step's inputs."""
