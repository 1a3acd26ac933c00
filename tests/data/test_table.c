/* labels: threads
 * Tables: dialects and types are found, broken files get line and column, columns are fitted as scikit-learn does, splits part the rows. */
#include "support/check.h"

#include "data/cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static soma_context *ctx;
static int open_context(void **state) {
    (void)state;
    ctx = check_context(NULL);
    return 0;
}
static int close_context(void **state) {
    (void)state;
    soma_context_free(ctx);
    return 0;
}

static soma_table *read(const char *text) { return soma_table_from_memory(ctx, text, strlen(text), NULL); }
static soma_column column(const soma_table *t, const char *name) {
    soma_column c = {0};
    assert_int_equal(soma_table_column(t, soma_table_find(t, name), &c), SOMA_OK);
    return c;
}

static void numbers_are_the_nearest_doubles(void **state) {
    (void)state;
    uint64_t draw = 7;
    char text[64];
    double v;
    for (int i = 0; i < 200000; i++) {
        double x = (check_random(&draw) - 0.5) * pow(10, floor(check_random(&draw) * 40 - 20));
        int n = snprintf(text, sizeof text, "%.*g", 1 + (int)(check_random(&draw) * 20), x);
        assert_true(soma__cell_number(text, (size_t)n, '.', &v));
        if (v != strtod(text, NULL)) fail_msg("%s is read as %.17g", text, v);
    }
    static const char *const good[] = {"1",
                                       "-1.",
                                       ".5",
                                       "+3",
                                       "1e5",
                                       "1E-400",
                                       "00012",
                                       "9007199254740993",
                                       "0.1e-300",
                                       "123456789012345678901234567890",
                                       "1e22",
                                       "1e23",
                                       "2.2250738585072011e-308",
                                       "179769313486231580793e289"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(soma__cell_number(good[i], strlen(good[i]), '.', &v));
        if (v != strtod(good[i], NULL)) fail_msg("%s is read as %.17g", good[i], v);
    }
    static const char *const bad[] = {"", ".", "-", "1e", "1e+", "1.2.3", "0x10", "nan", "1 2", "12a", "--1", "1,5", "e5", "infinit"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (soma__cell_number(bad[i], strlen(bad[i]), '.', &v)) fail_msg("'%s' is taken for a number", bad[i]);
    assert_true(soma__cell_number("1,5", 3, ',', &v) && v == 1.5);
    assert_true(soma__cell_number("-inf", 4, '.', &v) && v == -(double)INFINITY);
}

static void dates_are_days(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double days;
    } dates[] = {{"1970-01-01", 0},
                 {"2000-02-29", 11016},
                 {"2024/03/01", 19783},
                 {"31.12.1969", -1},
                 {"1949-01", -7670},
                 {"0001-01-01", -719162},
                 {"2024-02-29T12:00", 19782.5},
                 {"2024-02-29 06:00:00.0Z", 19782.25},
                 {"2024-02-29T00:00:00+01:00", 19782 - 1.0 / 24}};
    double v;
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        assert_true(soma__cell_date(dates[i].text, strlen(dates[i].text), &v));
        if (fabs(v - dates[i].days) > 1e-9) fail_msg("%s is day %g", dates[i].text, v);
    }
    static const char *const bad[] = {"2023-02-29",       "2023-13-01",  "2023-00-01", "2023-1", "01/02/2023",
                                      "2023-01-01T25:00", "2023-01-01x", "20230101",   "1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (soma__cell_date(bad[i], strlen(bad[i]), &v)) fail_msg("'%s' is taken for a date", bad[i]);
}

static void dialects_are_found(void **state) {
    (void)state;
    static const struct {
        const char *text, *delimiter;
        bool header;
        int64_t rows, columns;
    } tables[] = {
        {"a,b\n1,2\n3,4\n", ",", true, 2, 2},
        {"1,2\n3,4\n5,6\n", ",", false, 3, 2},
        {"a;b\r\n1,5;2,5\r\n2,5;3\r\n", ";", true, 2, 2},
        {"1,5;2,5\n2,5;3,1\n0,5;3,0\n", ";", false, 3, 2},
        {"a\tb c\n1\t2\n3\t4\n", "\t", true, 2, 2},
        {"a|b\n1|x, y\n3|z\n", "|", true, 2, 2},
        {"  0.1   2  3\n 4.5  6   7\n  8 9  10\n", " ", false, 3, 3},
        {"\xef\xbb\xbfname,size\n\"x, y\",1\n\"say \"\"hi\"\"\",2\n", ",", true, 2, 2},
        {"name,size\n'x, y',1\n'z, w',2\n", ",", true, 2, 2},
        {"a,b\r1,2\r3,4", ",", true, 2, 2},
        {"3,2,x,y\n1,2\n3,4\n5,6\n", ",", false, 3, 2},
        {"n,city\na,Rome\nb,Oslo\nc,Rome\n", ",", true, 3, 2},
        {"a,b\n\n1,2\n\n\n3,4\n\n", ",", true, 2, 2},
        {"x\n1\n2\n3\n", ",", true, 3, 1},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        soma_table *t = read(tables[i].text);
        check_fine(ctx);
        if (soma_table_rows(t) != tables[i].rows || soma_table_columns(t) != tables[i].columns || soma_table_header(t) != tables[i].header ||
            (tables[i].columns > 1 && strcmp(soma_table_delimiter(t), tables[i].delimiter) != 0))
            fail_msg("%s: %lld rows, %lld columns, header %d, delimiter '%s'", tables[i].text, (long long)soma_table_rows(t),
                     (long long)soma_table_columns(t), soma_table_header(t), soma_table_delimiter(t));
    }
    soma_table *t = read(tables[2].text);
    assert_true(soma_table_cell(t, 1, 0) == 2.5);
    t = read(tables[7].text);
    assert_string_equal(column(t, "name").categories[0], "say \"hi\"");
    assert_string_equal(column(t, "name").categories[1], "x, y");
    t = read(tables[8].text);
    assert_string_equal(column(t, "name").categories[0], "x, y");
    t = read(tables[10].text);
    assert_non_null(strstr(soma_table_note(t, 0), "line 1 has 4 cells"));
    t = soma_table_from_memory(ctx, "1,2\n3,4\n", 8, &(soma_table_opts){.header = SOMA_SET(1)});
    assert_int_equal(soma_table_rows(t), 1);
    assert_int_equal(soma_table_find(t, "2"), 1);
}

static void types_follow_from_the_cells(void **state) {
    (void)state;
    soma_table *t =
        read("n,word,day,mixed,code,none,late\n1,x,2020-01-01,1,10,,1\n,y,2020-01-03,2,9,NA,2\n3,?,,b,10,,3\n-2,x,2020-01-02,,2,N/A,oh\n");
    check_fine(ctx);
    soma_column c = column(t, "n");
    assert_true(c.type == SOMA_COLUMN_NUMBER && c.missing == 1 && c.missing_line == 3 && c.min == -2 && c.max == 3 && c.whole && c.distinct == 3);
    assert_true(fabs(c.mean - 2.0 / 3) < 1e-12 && fabs(c.deviation - sqrt(38.0 / 9)) < 1e-12);
    c = column(t, "word");
    assert_true(c.type == SOMA_COLUMN_CATEGORY && c.n_categories == 2 && c.missing == 1);
    assert_true(soma_table_cell(t, 3, 1) == 0 && soma_table_cell(t, 1, 1) == 1 && isnan(soma_table_cell(t, 2, 1)));
    c = column(t, "day");
    assert_true(c.type == SOMA_COLUMN_DATE && c.min == 18262 && c.max == 18264);
    c = column(t, "mixed"); /* the pass begins anew */
    assert_true(c.type == SOMA_COLUMN_CATEGORY && c.n_categories == 3 && soma_table_cell(t, 0, 3) == 0);
    assert_true(column(t, "late").type == SOMA_COLUMN_CATEGORY && column(t, "none").type == SOMA_COLUMN_EMPTY);
    const char *code = "code";
    t = soma_table_from_memory(ctx, "code,y\n10,1\n9,2\n10,3\n", 21, &(soma_table_opts){.categories = &code, .n_categories = 1});
    c = column(t, "code"); /* sorted as numbers */
    assert_true(c.type == SOMA_COLUMN_CATEGORY && strcmp(c.categories[0], "9") == 0 && soma_table_cell(t, 0, 0) == 1);
    static char many[40000];
    int at = snprintf(many, sizeof many, "id,y\n");
    for (int i = 0; i < 1500; i++) at += snprintf(many + at, sizeof many - (size_t)at, "id%d,%d\n", i, i % 3);
    t = read(many);
    assert_true(column(t, "id").type == SOMA_COLUMN_TEXT && isnan(soma_table_cell(t, 3, 0)));
    assert_non_null(strstr(soma_table_note(t, 0), "'id' is text"));
}

static void broken_tables_say_where(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        size_t n;
    } tables[] = {
        {"a,b\n1,2\n1,2,3\n4,5\n", "line 3, column 5: this line has 3 cells, the others have 2", 0},
        {"a,b\n1,2\n1\n4,5\n", "line 3, column 2: this line has 1 cell, the others have 2", 0},
        {"a,b\n1,\"x\n2,3\n", "line 2, column 3: the quote that opens here is never closed", 0},
        {"a,b\n1,\"x\"y\n2,3\n", "line 2, column 6: text behind a closing quote", 0},
        {"a,b\n1,2\n3,\0\n", "line 3, column 3: a byte of value 0", 12},
        {"a,b\n1,2\n3,\"x\0\"\n", "line 3, column 3: the quoted cell that opens here has a byte of value 0", 14},
        {"a,b\nx,1\n\xe9t\xe9,2\n", "line 3, column 1: this is no UTF-8", 0},
        {"a\xff,b\n1,2\n", "line 1, column 2: this is no UTF-8", 0},
        {"\xff\xfe"
         "a\0,\0",
         "UTF-16", 6},
        {"", "the table is empty", 0},
        {"\n\n\n", "the table is empty", 0},
        {"a,b\n", "no rows", 0},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        assert_null(soma_table_from_memory(ctx, tables[i].text, tables[i].n ? tables[i].n : strlen(tables[i].text), NULL));
        check_error(ctx, SOMA_ERROR_FORMAT, tables[i].words);
    }
    size_t n = (size_t)40 << 20;
    char *long_line = malloc(n);
    memset(long_line, 'x', n);
    memcpy(long_line, "a,b\n1,2\n", 8);
    assert_null(soma_table_from_memory(ctx, long_line, n, NULL)); /* in memory: one cell, of which the second is missing */
    check_error(ctx, SOMA_ERROR_FORMAT, "line 3, column");
    free(long_line);
    assert_null(soma_table_open(ctx, "/nowhere.csv", NULL));
    check_error(ctx, SOMA_ERROR_IO, "/nowhere.csv: cannot open");
    assert_null(soma_table_open(ctx, "/", NULL));
    check_error(ctx, SOMA_ERROR_IO, "folder");
    assert_null(soma_table_from_memory(ctx, "a", 1, &(soma_table_opts){.delimiter = "xx"}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "a delimiter is one of");
}

static void quoted_lines_are_counted(void **state) {
    (void)state;
    soma_table *t = read("a,b\n\"two\nlines\",1\nx,2\n");
    check_fine(ctx);
    assert_int_equal(soma_table_rows(t), 2);
    assert_null(read("a,b\n\"two\nlines\",1\nx,2,3\n"));
    check_error(ctx, SOMA_ERROR_FORMAT, "line 4, column 5");
}

/* Inputs of all rows. */
static void inputs_of(soma_table *t, soma_columns *c, float *out) {
    soma_dataset *d = soma_table_dataset(t, c, NULL, 0);
    check_fine(ctx);
    for (int64_t i = 0; i < soma_dataset_count(d); i++) soma_dataset_sample(d, i, out + i * soma_columns_inputs(c), NULL);
}

static void scalings_are_those_of_scikit_learn(void **state) {
    (void)state;
    static const float want[4][5] = {{-0.5703234321017339f, -0.5443996397334733f, -0.492552054996952f, -0.38885688552390946f, 1.9961320123560686f},
                                     {0.0f, 0.010101010101010102f, 0.030303030303030304f, 0.07070707070707072f, 1.0f},
                                     {-0.5f, -0.3333333333333333f, 0.0f, 0.6666666666666666f, 16.0f},
                                     {1, 2, 4, 8, 100}};
    soma_table *t = read("x,same,y\n1,3,a\n2,3,b\n4,3,a\n8,3,b\n100,3,a\n");
    for (int s = 0; s < 4; s++) {
        float got[10];
        soma_columns *c = soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.scaling = (soma_scaling)s});
        inputs_of(t, c, got);
        for (int i = 0; i < 5; i++) {
            if (fabsf(got[2 * i] - want[s][i]) > 1e-7f * fabsf(want[s][i])) fail_msg("scaling %d, row %d: %g", s, i, (double)got[2 * i]);
            assert_true(got[2 * i + 1] == (s == SOMA_SCALE_NONE ? 3 : 0));
        }
    }
    /* fitted on some rows alone */
    const int64_t rows[] = {0, 1};
    float got[10];
    soma_columns *c = soma_columns_fit(ctx, t, rows, 2, NULL);
    inputs_of(t, c, got);
    assert_true(got[0] == -1 && got[2] == 1 && got[4] == 5);
}

static void missing_cells_are_as_the_user_says(void **state) {
    (void)state;
    soma_table *t = read("x,w,y\n1,a,1.5\n,b,2.5\n3,,3.5\n9,b,4.5\n4,b,\n");
    check_fine(ctx);
    assert_null(soma_columns_fit(ctx, t, NULL, 0, NULL));
    check_error(ctx, SOMA_ERROR_FORMAT, "line 3: column 'x' has no value here (1 in all)");
    float got[32];
    soma_columns_opts o = {.missing = SOMA_MISSING_DROP, .scaling = SOMA_SCALE_NONE};
    soma_dataset *d = soma_table_dataset(t, soma_columns_fit(ctx, t, NULL, 0, &o), NULL, 0);
    assert_int_equal(soma_dataset_count(d), 2);
    o.missing = SOMA_MISSING_MEAN;
    inputs_of(t, soma_columns_fit(ctx, t, NULL, 0, &o), got); /* x, a, b; the row without a target is no example, so the mean is 13/3 */
    assert_true(got[3] == (float)(13.0 / 3) && got[7] == 0 && got[8] == 1);
    o.missing = SOMA_MISSING_MEDIAN;
    inputs_of(t, soma_columns_fit(ctx, t, NULL, 0, &o), got);
    assert_true(got[3] == 3);
    o.missing = SOMA_MISSING_FLAG;
    soma_columns *c = soma_columns_fit(ctx, t, NULL, 0, &o);
    assert_int_equal(soma_columns_inputs(c), 5); /* x, missing; a, b, missing */
    inputs_of(t, c, got);
    assert_true(got[1] == 0 && got[6] == 1 && got[12] == 0 && got[13] == 0 && got[14] == 1);
    o.embed = 4;
    c = soma_columns_fit(ctx, t, NULL, 0, &o);
    assert_true(soma_columns_inputs(c) == 4 && soma_columns_width(c) == 7);
    inputs_of(t, c, got);
    assert_true(got[2] == 0 && got[6] == 1 && got[10] == 2 && got[11] == 1);
}

static void targets_are_classes_or_values(void **state) {
    (void)state;
    soma_table *t = read("x,y\n1,3\n2,7\n3,3\n");
    const soma_columns_info *info = soma_columns_about(soma_columns_fit(ctx, t, NULL, 0, NULL));
    assert_true(info->task == SOMA_TASK_CLASSES && info->target.n_categories == 2 && strcmp(info->target.categories[1], "7") == 0);
    soma_columns *c = soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.task = SOMA_TASK_VALUE});
    soma_dataset *d = soma_table_dataset(t, c, NULL, 0);
    float v;
    assert_true(soma_dataset_is_valued(d) && soma_dataset_value(d, 1, &v) == SOMA_OK && fabsf(v - 1.41421356f) < 1e-6f);
    assert_true(fabs(soma_columns_value(c, (double)v) - 7) < 1e-6);
    soma_batch b;
    soma_loader *l = soma_loader_new(ctx, d, 3, NULL);
    assert_true(soma_loader_next(l, &b) && b.values[1] == v);
    assert_null(soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.target = "z"}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "no column 'z'");
    t = read("x,y\na,inf\nb,2\n");
    assert_null(soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.task = SOMA_TASK_VALUE}));
    check_error(ctx, SOMA_ERROR_FORMAT, "line 2: column 'y' is infinite");
    soma_table *other = read("x,y\n1,5\n");
    assert_null(soma_table_dataset(other, soma_columns_fit(ctx, read("x,y\n1,3\n2,7\n3,3\n"), NULL, 0, NULL), NULL, 0));
    check_error(ctx, SOMA_ERROR_RANGE, "the class '5' in row 1, which is not known");
}

static void splits_part_the_rows(void **state) {
    (void)state;
    char text[8000];
    int at = snprintf(text, sizeof text, "x,g,y\n");
    for (int i = 0; i < 200; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%d,g%d,%d\n", (i * 37) % 200, i / 10, i % 4 == 0);
    soma_table *t = read(text);
    static const char *const by[] = {NULL, "y", "g", "x"};
    for (int kind = 0; kind < 4; kind++) {
        int seen[200] = {0};
        for (int fold = -1; fold < 5; fold++) {
            int64_t *train, *test, n, m, ones = 0;
            soma_split_opts o = {
                .kind = (soma_split_kind)kind, .column = by[kind], .folds = fold < 0 ? 0 : 5, .fold = fold < 0 ? 0 : fold, .seed = 3};
            assert_int_equal(soma_table_split(t, &train, &n, &test, &m, &o), SOMA_OK);
            if (kind != SOMA_SPLIT_TIME || fold < 0) assert_true(n + m == 200 && m == 40);
            for (int64_t i = 0; i < m; i++) {
                if (fold >= 0) seen[test[i]]++;
                ones += soma_table_cell(t, test[i], 2) == 1;
                for (int64_t k = 0; k < n; k++) {
                    assert_true(train[k] != test[i]);
                    if (kind == SOMA_SPLIT_GROUP) assert_true(soma_table_cell(t, train[k], 1) != soma_table_cell(t, test[i], 1));
                    if (kind == SOMA_SPLIT_TIME) assert_true(soma_table_cell(t, train[k], 0) < soma_table_cell(t, test[i], 0));
                }
            }
            if (kind == SOMA_SPLIT_STRATIFIED) assert_int_equal(ones, 10);
        }
        for (int i = 0; i < 200 && kind < SOMA_SPLIT_TIME; i++) assert_int_equal(seen[i], 1);
    }
    int64_t *train, *test, n, m;
    assert_int_equal(soma_table_split(t, &train, &n, &test, &m, &(soma_split_opts){.folds = 1000}), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "folds are");
    assert_int_equal(soma_table_split(t, &train, &n, &test, &m, &(soma_split_opts){.test = SOMA_SET(0.001)}), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "no row would be in the test part");
}

static const char *write_text(const char *text) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/soma-table-%d.csv", rand());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void rows_of_a_file_become_inputs(void **state) {
    (void)state;
    soma_table *t = read("w,x,y\na,1,p\nb,3,q\na,5,p\n");
    soma_columns *c = soma_columns_fit(ctx, t, NULL, 0, &(soma_columns_opts){.scaling = SOMA_SCALE_NONE});
    static const struct {
        const char *text, *words;
        float want[6];
    } files[] = {
        {"y,x,w\np,7,b\n,8,zzz\n", NULL, {0, 1, 7, 0, 0, 8}}, /* in another order, with another word */
        {"w,x\nb,7\na,8\n", NULL, {0, 1, 7, 1, 0, 8}},        /* without the target */
        {"b,7,p\na,8,q\n", NULL, {0, 1, 7, 1, 0, 8}},         /* without names: by place */
        {"w,z,y\na,1,p\nb,2,q\n", "there is no column 'x'", {0}},
        {"w,x,y\na,1,p\nb,oops,q\n", "line 3, column 3: no number in column 'x'", {0}},
        {"w,x,y\na,1,p\nb,,q\n", "line 3, column 3: no value", {0}},
        {"w,x,y\na,1,p\nb,2\n", "line 3, column 1: this line has fewer cells", {0}},
        {"1,2,3,4\n5,6,7,8\n", "the table has 4 columns", {0}},
        {"", "the table is empty", {0}},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        float x[30];
        const char *path = write_text(files[i].text);
        soma_rows *r = soma_rows_open(ctx, c, path);
        int64_t n = r ? soma_rows_next(r, x, 10) : -1;
        remove(path);
        if (files[i].words) {
            assert_true(n < 0);
            assert_non_null(strstr(soma_error_message(ctx), files[i].words));
            soma_error_take(ctx);
            continue;
        }
        check_fine(ctx);
        assert_int_equal(n, 2);
        for (int k = 0; k < 6; k++)
            if (x[k] != files[i].want[k]) fail_msg("file %zu, input %d: %g", i, k, (double)x[k]);
    }
}

/* A table larger than is held in memory reads the same from its temporary file. */
static void large_tables_lie_in_a_file(void **state) {
    (void)state;
    enum { ROWS = 1200000 };
    char path[64];
    snprintf(path, sizeof path, "/tmp/soma-large-%d.csv", rand());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,ab,ac,ad\n", f);
    for (int i = 0; i < ROWS; i++) fprintf(f, "%d,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,%d\n", i, i % 7);
    fclose(f);
    soma_stats before, after;
    soma_context_stats(ctx, &before);
    soma_table *t = soma_table_open(ctx, path, NULL);
    check_fine(ctx);
    remove(path);
    assert_int_equal(soma_table_rows(t), ROWS);
    for (int i = 0; i < ROWS; i += 997) assert_true(soma_table_cell(t, i, 0) == i && soma_table_cell(t, i, 29) == i % 7);
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    long anonymous = 0;
    while (status && fgets(line, sizeof line, status)) sscanf(line, "RssAnon: %ld", &anonymous);
    if (status) fclose(status);
    soma_context_stats(ctx, &after);
    if (anonymous > 200000 && !getenv("ASAN_OPTIONS")) fail_msg("%ld kB are held for a table of 288 MB", anonymous);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_context)
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_the_nearest_doubles),
        TEST(dates_are_days),
        TEST(dialects_are_found),
        TEST(types_follow_from_the_cells),
        TEST(broken_tables_say_where),
        TEST(quoted_lines_are_counted),
        TEST(scalings_are_those_of_scikit_learn),
        TEST(missing_cells_are_as_the_user_says),
        TEST(targets_are_classes_or_values),
        TEST(splits_part_the_rows),
        TEST(rows_of_a_file_become_inputs),
        TEST(large_tables_lie_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
