/* L-BFGS against PyTorch on Rosenbrock's function of four variables: 20 steps each of three settings, in float64; by closures that record and by ones
 * that run a program; and what goes wrong. */
#include "support/check.h"

#include <math.h>
#include <string.h>

typedef struct walk {
    double lr;
    soma_lbfgs_opts options;
    double golden[20][3]; /* the loss before the step; after it, the first and the last variable */
} walk;
static const walk walks[] = {
    {1e-3,
     {.max_iter = SOMA_SET(3)},
     {{355.69999999999999, -1.1991570106872675, 1.9979607494423455}, {353.28871715332804, -1.1789115926105047, 1.9335862137366349},
      {271.50617015921966, -1.1773101748578574, 1.9289304659324205}, {265.38494289453496, -1.1761369160391637, 1.9259123534959164},
      {261.04032017030573, -1.1748807867333255, 1.9229042675471628}, {256.36253344537431, -1.173566514454623, 1.9199572981317905},
      {251.42285219194295, -1.1722192832897704, 1.917130678721287},  {246.31870085868479, -1.1708641388719552, 1.9144775467216362},
      {241.15538547983209, -1.1695227943541524, 1.9120356886737859}, {236.02795630573891, -1.1682115281916461, 1.9098246214708483},
      {231.00975246583448, -1.1669409221991192, 1.9078479181087691}, {226.14965032077032, -1.1657168010026908, 1.9060978955254353},
      {221.47529590559168, -1.1645415460402129, 1.9045602756641704}, {216.99857792008586, -1.1634152817960979, 1.9032177367675094},
      {212.72088651766978, -1.1623367657887564, 1.9020522214981694}, {208.63720128476643, -1.1613039929204745, 1.9010462635244032},
      {204.73892946922822, -1.1603145822504155, 1.9001836546946627}, {201.01574347267908, -1.1593660148624512, 1.8994497109781885},
      {197.45671191971402, -1.158455775246894, 1.8988313125849732},  {194.05096466875546, -1.157581431946284, 1.898316827306296}}},
    {1,
     {.max_iter = SOMA_SET(2), .strong_wolfe = 1},
     {{355.69999999999999, -1.0089668615984406, 1.6898812688286373},  {83.751892963062602, -0.97216326824748134, 1.5147782242062082},
      {10.358932925315132, -0.97505351346220348, 1.4927223006669013}, {5.9060146433869303, -1.0110795635914074, 1.4789596030944554},
      {4.6270589676953637, -1.0486343323568028, 1.4697489689517171},  {4.2560095900754016, -1.0433433515075119, 1.4693776655794759},
      {4.2424004020351402, -1.0433718663991367, 1.4692535418102313},  {4.2419209518327898, -1.0434903096313275, 1.468652982563196},
      {4.2415870932850748, -1.0437723438478188, 1.4612855108764202},  {4.2384461232120918, -1.043336068943455, 1.4433274385349621},
      {4.2319395211261588, -1.0401142960061427, 1.3831558567553326},  {4.2113194623631305, -1.0242777901646556, 1.1580683647274217},
      {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},  {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},
      {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},  {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},
      {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},  {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},
      {4.1302561712194263, -1.0242777901646556, 1.1580683647274217},  {4.1302561712194263, -1.0242777901646556, 1.1580683647274217}}},
    {0.5,
     {.max_iter = SOMA_SET(4), .history_size = SOMA_SET(3), .strong_wolfe = 1},
     {{355.69999999999999, -1.0031571528932197, 1.5428575706860552},   {6.0423151676798623, -1.0417452732613477, 1.5142071468058915},
      {4.282887529861946, -1.0473455745877884, 1.5101888237416066},    {4.2658116815995371, -1.0476399048541525, 1.4613631390378405},
      {4.2485053148537713, -1.0023584035687776, 0.97005314034515322},  {4.0888167118935064, -0.95988276223431801, 0.70735664525048991},
      {3.8834787661911174, -0.90225943616819415, 0.45506390992965784}, {3.7648620042852761, -0.84142195731561598, 0.25852592926904194},
      {3.7175649092014202, -0.81926696068364702, 0.22049560425571174}, {3.7057856865646772, -0.79383961748191334, 0.17308006048662791},
      {3.7022400545511021, -0.77911238626172119, 0.15065226638228404}, {3.7014534577368332, -0.77585194969506344, 0.14621286004021317},
      {3.7014287349064241, -0.77566870550213352, 0.145983843186931},   {3.7014286108548249, -0.77566870550213352, 0.145983843186931},
      {3.7014286108548249, -0.77566870550213352, 0.145983843186931},   {3.7014286108548249, -0.77566870550213352, 0.145983843186931},
      {3.7014286108548249, -0.77566870550213352, 0.145983843186931},   {3.7014286108548249, -0.77566870550213352, 0.145983843186931},
      {3.7014286108548249, -0.77566870550213352, 0.145983843186931},   {3.7014286108548249, -0.77566870550213352, 0.145983843186931}}},
};

typedef struct problem {
    soma_context *ctx;
    soma_tensor *params[2];
    soma_program *program;
    int64_t evaluations, fails_at;
} problem;

static soma_status record(soma_context *ctx, void *user, soma_tensor *const *in, size_t n_in, soma_tensor **out, size_t n_out) {
    problem *p = user;
    (void)in, (void)n_in, (void)n_out;
    soma_tensor *x = soma_cat(p->params, 2, 0), *a = soma_slice(x, 0, 0, 3, 1), *b = soma_slice(x, 0, 1, 4, 1);
    soma_tensor *valley = soma_mul_scalar(soma_square(soma_sub(b, soma_square(a))), 100), *ahead = soma_square(soma_rsub_scalar(a, 1));
    out[0] = soma_sum(soma_add(valley, ahead), NULL);
    soma_backward(out[0], NULL);
    return soma_error_status(ctx);
}

static soma_status evaluate(void *user, double *loss) {
    problem *p = user;
    if (++p->evaluations == p->fails_at) return soma_error_raise(p->ctx, SOMA_ERROR_NONFINITE, "the closure's own sentence");
    soma_zero_grad(p->params, 2);
    if (p->program) return soma_program_run(p->program) == SOMA_OK ? soma_program_item(p->program, 0, loss) : soma_error_status(p->ctx);
    soma_tensor *out;
    return record(p->ctx, p, NULL, 0, &out, 1) == SOMA_OK ? soma_item(out, loss) : soma_error_status(p->ctx);
}

static problem start(soma_context *ctx) {
    const double first[2][2] = {{-1.2, 1}, {0.5, 2}};
    problem p = {.ctx = ctx};
    for (int i = 0; i < 2; i++)
        p.params[i] = soma_variable(soma_from(ctx, first[i], SOMA_F64, SOMA_SHAPE(2)), &(soma_variable_opts){.requires_grad = 1});
    return p;
}

static void near(const char *what, int k, int i, double got, double want) {
    if (fabs(got - want) > 1e-8 * (1 + fabs(want))) fail_msg("walk %d, step %d: %s is %.12g, PyTorch's %.12g", k, i, what, got, want);
}

static void walks_as_pytorchs(void **state) {
    (void)state;
    for (int k = 0; k < 6; k++) {
        const walk *w = &walks[k / 2];
        soma_context *ctx = check_context(NULL);
        problem p = start(ctx);
        if (k % 2) p.program = soma_capture(ctx, record, &p, NULL, 0, 1, NULL);
        soma_optim *o = soma_optim_lbfgs(ctx, p.params, 2, w->lr, &w->options);
        for (int i = 0; i < 20; i++) {
            double loss, a[2], b[2];
            assert_int_equal(soma_optim_step_closure(o, evaluate, &p, &loss), SOMA_OK);
            soma_read(p.params[0], a, sizeof a), soma_read(p.params[1], b, sizeof b);
            near("the loss", k, i, loss, w->golden[i][0]);
            near("the first variable", k, i, a[0], w->golden[i][1]);
            near("the last variable", k, i, b[1], w->golden[i][2]);
        }
        check_fine(ctx);
        soma_context_free(ctx);
    }
}

/* Numbers of one optimizer into another, in the middle: the walks are equal from there on. */
static void state_can_be_carried_over(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    problem p[2] = {start(ctx), start(ctx)};
    soma_optim *o[2];
    const char *key;
    double *from, *to, loss, got[2][2];
    size_t n, m;
    for (int i = 0; i < 2; i++) o[i] = soma_optim_lbfgs(ctx, p[i].params, 2, 1, &walks[1].options);
    for (int i = 0; i < 5; i++) soma_optim_step_closure(o[0], evaluate, &p[0], NULL);
    for (size_t i = 0; soma_optim_numbers(o[0], i, &key, &from, &n); i++) {
        assert_true(soma_optim_numbers(o[1], i, &key, &to, &m) && n == m);
        memcpy(to, from, n * sizeof *to);
    }
    for (int i = 0; i < 2; i++) soma_assign(p[1].params[i], p[0].params[i]);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 2; k++) assert_int_equal(soma_optim_step_closure(o[k], evaluate, &p[k], &loss), SOMA_OK);
    for (int k = 0; k < 2; k++) soma_read(p[k].params[1], got[k], sizeof got[k]);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    soma_context_free(ctx);
}

static void what_fails_is_taken_back(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    problem p = start(ctx);
    soma_optim *o = soma_optim_lbfgs(ctx, p.params, 2, 1, &walks[1].options);
    double before[2], after[2];
    soma_optim_step_closure(o, evaluate, &p, NULL);
    soma_read(p.params[0], before, sizeof before);
    p.fails_at = p.evaluations + 3;
    assert_int_equal(soma_optim_step_closure(o, evaluate, &p, NULL), SOMA_ERROR_NONFINITE);
    check_error(ctx, SOMA_ERROR_NONFINITE, "the closure's own sentence");
    soma_read(p.params[0], after, sizeof after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(soma_optim_step_closure(o, evaluate, &p, NULL), SOMA_OK);
    soma_optim_step(o);
    check_error(ctx, SOMA_ERROR_STATE, "soma_optim_step_closure");
    assert_int_equal(soma_optim_step_closure(o, NULL, &p, NULL), SOMA_ERROR_ARGUMENT);
    check_error(ctx, SOMA_ERROR_ARGUMENT, "the closure is NULL");
    assert_null(soma_optim_lbfgs(ctx, p.params, 2, 1, &(soma_lbfgs_opts){.max_iter = SOMA_SET(0)}));
    check_error(ctx, SOMA_ERROR_ARGUMENT, "max_iter is 0");
    soma_context_free(ctx);
}

/* The other optimizers take closures, too. */
static void any_optimizer_steps_by_a_closure(void **state) {
    (void)state;
    soma_context *ctx = check_context(NULL);
    problem p = start(ctx);
    soma_optim *o = soma_optim_adam(ctx, p.params, 2, 0.01, NULL);
    double first, last;
    soma_optim_step_closure(o, evaluate, &p, &first);
    for (int i = 0; i < 200; i++) assert_int_equal(soma_optim_step_closure(o, evaluate, &p, &last), SOMA_OK);
    assert_true(p.evaluations == 201 && last < 0.3 * first);
    soma_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(walks_as_pytorchs), cmocka_unit_test(state_can_be_carried_over),
                                       cmocka_unit_test(what_fails_is_taken_back), cmocka_unit_test(any_optimizer_steps_by_a_closure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
