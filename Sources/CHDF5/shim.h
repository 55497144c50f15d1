#pragma once
#include <hdf5.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

// HDF5's predefined identifiers are macros that call H5open() and read mutable globals; Swift cannot import them.
static inline hid_t CHDF5_class_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t CHDF5_class_file_creation(void) { return H5P_FILE_CREATE; }
static inline hid_t CHDF5_class_group_creation(void) { return H5P_GROUP_CREATE; }
static inline hid_t CHDF5_class_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t CHDF5_type_uint8(void) { return H5T_STD_U8LE; }
static inline hid_t CHDF5_type_int32(void) { return H5T_STD_I32LE; }
static inline hid_t CHDF5_type_int64(void) { return H5T_STD_I64LE; }
static inline hid_t CHDF5_type_float(void) { return H5T_IEEE_F32LE; }
static inline hid_t CHDF5_type_double(void) { return H5T_IEEE_F64LE; }
static inline hid_t CHDF5_type_string(void) { return H5T_C_S1; }
static inline hid_t CHDF5_default(void) { return H5P_DEFAULT; }
static inline hid_t CHDF5_all(void) { return H5S_ALL; }
static inline unsigned CHDF5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned CHDF5_exclusive(void) { return H5F_ACC_EXCL; }
static inline unsigned CHDF5_truncate(void) { return H5F_ACC_TRUNC; }

// The name's storage must outlive the registration: a literal does.
static inline herr_t CHDF5_register_zstd(H5Z_func_t filter)
{
    H5Z_class2_t description = {H5Z_CLASS_T_VERS, 32015, 1, 1, "zstd", NULL, NULL, filter};
    return H5Zregister(&description);
}

// H5Lget_info and H5Literate are macros over several versions from HDF5 1.12 on; these hide the difference.
static inline int CHDF5_link_type(hid_t location, const char *name)
{
    H5L_info_t info;
    return H5Lget_info(location, name, &info, H5P_DEFAULT) < 0 ? -1 : (int)info.type;
}

// Whether addresses in a file count from its first byte and have 8 bytes, as lengths do.
static inline int CHDF5_has_plain_addresses(hid_t file)
{
    hsize_t block = 1;
    size_t address = 0, length = 0;
    hid_t creation = H5Fget_create_plist(file);
    int known = H5Pget_userblock(creation, &block) >= 0 && H5Pget_sizes(creation, &address, &length) >= 0;
    H5Pclose(creation);
    return known && block == 0 && address == 8 && length == 8;
}

// Where an object's header lies; negative when that cannot be found.
static inline long long CHDF5_header_address(hid_t file, const char *name)
{
    H5O_info_t info;
    return H5Oget_info_by_name2(file, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0 ? -1 : (long long)info.addr;
}

// Bytes of a file that is open on disk, or in memory with so many bytes; returns how many were read, negative on failure.
static inline long long CHDF5_read_raw(hid_t file, long long in_memory, long long offset, long long count, void *bytes)
{
    void *handle = NULL;
    if (offset < 0 || count < 0 || H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0 || !handle) return -1;
    if (in_memory < 0) return pread(*(int *)handle, bytes, (size_t)count, offset);
    if (offset > in_memory) return 0;
    if (count > in_memory - offset) count = in_memory - offset;
    memcpy(bytes, *(unsigned char **)handle + offset, (size_t)count);
    return count;
}

typedef herr_t (*CHDF5_name_visitor)(const char *name, void *context);
struct CHDF5_visit { CHDF5_name_visitor visitor; void *context; };

static inline herr_t CHDF5_visit_link(hid_t group, const char *name, const H5L_info_t *info, void *visit)
{
    (void)group;
    (void)info;
    struct CHDF5_visit *it = (struct CHDF5_visit *)visit;
    return it->visitor(name, it->context);
}

static inline herr_t CHDF5_visit_names(hid_t group, CHDF5_name_visitor visitor, void *context)
{
    struct CHDF5_visit visit = {visitor, context};
    // In whatever order: for another, libhdf5 makes a table of as many links as the file claims, and frees what it has not
    // filled in.
    return H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, CHDF5_visit_link, &visit);
}
