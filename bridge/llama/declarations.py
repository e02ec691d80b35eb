"""What of llama.cpp's C API is used, as the builds in `BUILDS` have it.

The structs are passed by value, so that one field more or less would shift all that follow: `library.open_library`
compares the defaults that the library writes into them with those of this file before it trusts either.
"""

BUILDS = ("2026.10.11549",)
"""Versions of xllamacpp whose library these declarations were compared with."""

C = """
typedef int32_t llama_token;
typedef int32_t llama_pos;
typedef int32_t llama_seq_id;
struct ggml_tensor;
struct llama_model;
struct llama_context;
struct llama_vocab;
typedef struct llama_memory_i * llama_memory_t;
typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor * tensor, bool ask, void * data);
typedef bool (*ggml_abort_callback)(void * data);
typedef void (*ggml_log_callback)(int level, const char * text, void * data);

struct llama_model_params {
    void * devices;
    const void * tensor_buft_overrides;
    int32_t n_gpu_layers;
    int split_mode;
    int load_mode;
    int lazy_mode;
    int32_t main_gpu;
    const float * tensor_split;
    void * progress_callback;
    void * progress_callback_user_data;
    const void * kv_overrides;
    bool vocab_only;
    bool check_tensors;
    bool use_extra_bufts;
    bool no_host;
    bool no_alloc;
    bool load_mtp;
};

struct llama_context_params {
    uint32_t n_ctx;
    uint32_t n_batch;
    uint32_t n_ubatch;
    uint32_t n_seq_max;
    uint32_t n_rs_seq;
    uint32_t n_outputs_max;
    uint32_t n_outputs_max_per_seq;
    int32_t n_threads;
    int32_t n_threads_batch;
    int ctx_type;
    int rope_scaling_type;
    int pooling_type;
    int attention_type;
    int flash_attn_type;
    float rope_freq_base;
    float rope_freq_scale;
    float yarn_ext_factor;
    float yarn_attn_factor;
    float yarn_beta_fast;
    float yarn_beta_slow;
    uint32_t yarn_orig_ctx;
    float defrag_thold;
    ggml_backend_sched_eval_callback cb_eval;
    void * cb_eval_user_data;
    int type_k;
    int type_v;
    size_t moe_cache_size;
    ggml_abort_callback abort_callback;
    void * abort_callback_data;
    bool embeddings;
    bool offload_kqv;
    bool no_perf;
    bool op_offload;
    bool swa_full;
    bool kv_unified;
    void * samplers;
    size_t n_samplers;
    struct llama_context * ctx_other;
};

struct llama_batch {
    int32_t n_tokens;
    llama_token * token;
    float * embd;
    llama_pos * pos;
    int32_t * n_seq_id;
    llama_seq_id ** seq_id;
    int8_t * logits;
};

size_t strlen(const char * text);
void llama_backend_init(void);
void llama_log_set(ggml_log_callback callback, void * data);
bool llama_supports_gpu_offload(void);
struct llama_model_params llama_model_default_params(void);
struct llama_context_params llama_context_default_params(void);
struct llama_model * llama_model_load_from_file(const char * path, struct llama_model_params params);
void llama_model_free(struct llama_model * model);
struct llama_context * llama_init_from_model(struct llama_model * model, struct llama_context_params params);
void llama_free(struct llama_context * context);
const struct llama_vocab * llama_model_get_vocab(const struct llama_model * model);
int32_t llama_model_n_embd(const struct llama_model * model);
int32_t llama_model_n_ctx_train(const struct llama_model * model);
bool llama_model_has_encoder(const struct llama_model * model);
int32_t llama_model_meta_val_str(const struct llama_model * model, const char * key, char * text, size_t size);
uint32_t llama_n_ctx(const struct llama_context * context);
int llama_pooling_type(const struct llama_context * context);
llama_token llama_vocab_eos(const struct llama_vocab * vocab);
int32_t llama_tokenize(const struct llama_vocab * vocab, const char * text, int32_t size, llama_token * tokens,
                       int32_t most, bool add_special, bool parse_special);
int32_t llama_decode(struct llama_context * context, struct llama_batch batch);
void llama_set_embeddings(struct llama_context * context, bool embeddings);
void llama_set_abort_callback(struct llama_context * context, ggml_abort_callback callback, void * data);
float * llama_get_embeddings_seq(struct llama_context * context, llama_seq_id sequence);
llama_memory_t llama_get_memory(const struct llama_context * context);
void llama_memory_clear(llama_memory_t memory, bool data);
bool llama_memory_seq_rm(llama_memory_t memory, llama_seq_id sequence, llama_pos first, llama_pos end);
void llama_memory_seq_cp(llama_memory_t memory, llama_seq_id source, llama_seq_id target, llama_pos first,
                         llama_pos end);
size_t llama_state_seq_get_size(struct llama_context * context, llama_seq_id sequence);
size_t llama_state_seq_get_data(struct llama_context * context, uint8_t * target, size_t size, llama_seq_id sequence);
size_t llama_state_seq_set_data(struct llama_context * context, const uint8_t * source, size_t size,
                                llama_seq_id sequence);
const char * ggml_get_name(const struct ggml_tensor * tensor);
size_t ggml_nbytes(const struct ggml_tensor * tensor);
void ggml_backend_tensor_get(const struct ggml_tensor * tensor, void * target, size_t offset, size_t size);
"""
